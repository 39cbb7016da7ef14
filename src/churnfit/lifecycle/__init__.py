"""Where accounts stand in their stage: how long its steps take, and who is late."""
