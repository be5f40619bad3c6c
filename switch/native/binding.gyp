{
  "targets": [
    { "target_name": "castgate_native", "sources": ["castgate-native.c"], "cflags": ["-O2", "-Wall", "-Wextra"] }
  ]
}
