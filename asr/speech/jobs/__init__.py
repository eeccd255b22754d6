"""Work over many recordings: transcribe, align, evaluate, bench."""
