"""Datasets in shards: tars and Parquet files with images in them, here or in a store, and their outputs."""
