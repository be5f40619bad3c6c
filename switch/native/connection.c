/*
 * Sockets whose TCP connection another node continues: plain socket calls with addresses and options as octets.
 * No policy: every function returns its result (>= 0) or -errno. Descriptors are plain ones (castgate-native.c).
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <node_api.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "connection.h"

#define ARGS(n)                                     \
  size_t argc = (n);                                \
  napi_value argv[(n)];                             \
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL)

struct octets {
  void *data;
  size_t length;
};

static napi_value outcome(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value < 0 ? -errno : value, &result);
  return result;
}

static napi_value refusal(napi_env env, int code) {
  errno = code;
  return outcome(env, -1);
}

static int32_t int_at(napi_env env, napi_value value) {
  int32_t result = -1;
  napi_get_value_int32(env, value, &result);
  return result;
}

/* The octets of a Uint8Array or Buffer; no data where it is something else. */
static struct octets octets_at(napi_env env, napi_value value) {
  struct octets result = {NULL, 0};
  bool is_typed = false;
  napi_typedarray_type type;
  void *data = NULL;
  size_t length = 0;
  napi_is_typedarray(env, value, &is_typed);
  if (!is_typed || napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return result;
  if (type != napi_uint8_array && type != napi_uint8_clamped_array) return result;
  /* An empty array may have no address at all. */
  static uint8_t nothing;
  result.data = data == NULL ? &nothing : data;
  result.length = length;
  return result;
}

/* inetOpen(family, type, protocol): closed at exec, never waits. */
static napi_value socket_open(napi_env env, napi_callback_info info) {
  ARGS(3);
  int type = int_at(env, argv[1]) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  return outcome(env, socket(int_at(env, argv[0]), type, int_at(env, argv[2])));
}

/* inetBind(fd, address), address being a struct sockaddr of its family */
static napi_value socket_bind(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct octets address = octets_at(env, argv[1]);
  if (address.data == NULL) return refusal(env, EINVAL);
  return outcome(env, bind(int_at(env, argv[0]), address.data, (socklen_t)address.length));
}

/* inetConnect(fd, address) */
static napi_value socket_connect(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct octets address = octets_at(env, argv[1]);
  if (address.data == NULL) return refusal(env, EINVAL);
  return outcome(env, connect(int_at(env, argv[0]), address.data, (socklen_t)address.length));
}

/* inetSend(fd, octets, address): an empty address where the socket has its own; how many octets were taken. */
static napi_value socket_send(napi_env env, napi_callback_info info) {
  ARGS(3);
  struct octets octets = octets_at(env, argv[1]);
  struct octets to = octets_at(env, argv[2]);
  if (octets.data == NULL || to.data == NULL) return refusal(env, EINVAL);
  return outcome(env, sendto(int_at(env, argv[0]), octets.data, octets.length, MSG_DONTWAIT | MSG_NOSIGNAL,
                             to.length == 0 ? NULL : to.data, (socklen_t)to.length));
}

/* inetReceive(fd, room): how many octets were read; 0 at the end of a stream. */
static napi_value socket_receive(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct octets room = octets_at(env, argv[1]);
  if (room.data == NULL) return refusal(env, EINVAL);
  return outcome(env, recv(int_at(env, argv[0]), room.data, room.length, MSG_DONTWAIT));
}

/* inetSetOption(fd, level, name, octets) */
static napi_value socket_set_option(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct octets octets = octets_at(env, argv[3]);
  if (octets.data == NULL) return refusal(env, EINVAL);
  return outcome(env, setsockopt(int_at(env, argv[0]), int_at(env, argv[1]), int_at(env, argv[2]), octets.data,
                                 (socklen_t)octets.length));
}

/* inetOption(fd, level, name, room): how many octets of the room were written. */
static napi_value socket_option(napi_env env, napi_callback_info info) {
  ARGS(4);
  struct octets room = octets_at(env, argv[3]);
  if (room.data == NULL) return refusal(env, EINVAL);
  socklen_t length = (socklen_t)room.length;
  if (getsockopt(int_at(env, argv[0]), int_at(env, argv[1]), int_at(env, argv[2]), room.data, &length) < 0)
    return outcome(env, -1);
  return outcome(env, length);
}

/* inetQueued(fd): octets that were received and not read (SIOCINQ). */
static napi_value socket_queued(napi_env env, napi_callback_info info) {
  ARGS(1);
  int count = 0;
  if (ioctl(int_at(env, argv[0]), FIONREAD, &count) < 0) return outcome(env, -1);
  return outcome(env, count);
}

void add_connection_functions(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"inetOpen", socket_open},           {"inetBind", socket_bind},
      {"inetConnect", socket_connect},     {"inetSend", socket_send},
      {"inetReceive", socket_receive},     {"inetSetOption", socket_set_option},
      {"inetOption", socket_option},       {"inetQueued", socket_queued},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
}
