"""Tasks on text: labelled data, embeddings, vocabularies; one folder a task."""
