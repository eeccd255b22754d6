"""A task that somebody adds: it predicts the commonest length of a text, whatever the text.

config.py, training.py, estimator.py and predict.py are all that a task needs, beside the one entry
in :data:`asr.catalogue.TASKS` that tests/test_catalogue.py makes.
"""
