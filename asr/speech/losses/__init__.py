"""CTC, CTC-CRF and CTC over all spellings of a transcript, with kernels for processors."""
