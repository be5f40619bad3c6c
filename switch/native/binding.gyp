{
  "targets": [
    {
      "target_name": "castgate_native",
      "sources": ["castgate-native.c", "connection.c"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra"]
    }
  ]
}
