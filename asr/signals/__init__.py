"""Classification of whole signals: data, batches, network, training, classifier."""
