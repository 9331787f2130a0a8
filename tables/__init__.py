"""Where state lives: the RocksDB tally, the boards, Postgres, the lake."""
