"""The words that everybody uses: who is meant, what is asked and answered, what can be set, and what can be wrong.

The innermost ring: values and errors only, and nothing of how a store works.
"""
