"""Compiled inner loops of the beam search (numba, nogil).

Arrays in, arrays out; callers have checked what users gave.
"""
