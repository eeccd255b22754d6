"""What a task eats: length-bucketed speech, sliding windows, padded token sequences."""
