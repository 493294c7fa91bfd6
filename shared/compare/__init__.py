"""Compares source and target value by value (decision 8), with code of its own: no conversion of the copier's is used.

Reading order: ``chunks`` and ``tables`` are the two questions that workers ask; ``source_batches`` and
``target_rows`` read the two sides; ``canonical_source`` and ``canonical_target`` say what one value means;
``surely_equal`` settles whole columns at once, and ``columns`` hands what is left to the canonical forms.
"""
