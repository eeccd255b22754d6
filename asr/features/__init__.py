"""Log-Mel and MFCC features, normalisation, SpecAugment; the configuration needs no torch."""
