"""The most probable CTC path through a known text, for recordings of any length."""
