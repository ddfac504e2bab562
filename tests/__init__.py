"""Tests: a file a module, tiny random models, contracts over registries."""
