"""Compiled inner loops (numba, nogil): plain arrays in, plain arrays out; no checks of user input
in here.
"""
