"""Charts (the only importer of plotly) and exports: report, notebook, code, model card, site."""
