"""Whole models at the same bytes by every method, on two texts: `compress-lab bench quality`.

Other than a study's, its rows are runs of plans, kept one in a file. Knows no torch.
"""
