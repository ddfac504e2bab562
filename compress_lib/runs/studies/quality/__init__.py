"""Quality benchmark: whole models at equal bytes by every method, `compress-lab bench quality`.

Every row is the run of a plan on two evaluation texts, stored in a file of its own.
"""
