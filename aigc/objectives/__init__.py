"""What training minimises: pure functions of logits, pictures and posteriors, one screen each."""
