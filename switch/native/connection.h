/* What connection.c adds to the module. */
#pragma once
#include <node_api.h>

void add_connection_functions(napi_env env, napi_value exports);
