"""A run over shards on many machines: workers that caption shards, and who hands the shards out."""
