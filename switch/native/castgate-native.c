/*
 * System calls that Node lacks, as thin N-API functions: packet sockets in batches, netlink, network
 * namespaces. No policy: every function returns its result (>= 0, or a value) or -errno as a number.
 *
 * Two kinds of descriptor: a plain one, which close() closes, and a watched one, which belongs to its
 * watch: unwatch() stops the polling and closes it, close() refuses it with -EBUSY. A watch lives until
 * unwatch(), the end of its environment (worker, process), or the collection of its handle.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connection.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

/* ---- arguments and results ------------------------------------------------------------------------- */

#define ARGS(n)                                     \
  size_t argc = (n);                                \
  napi_value argv[(n)];                             \
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL)

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

/* A call that returns -1 and sets errno, as the number that JavaScript gets. */
static napi_value outcome(napi_env env, int64_t value) { return number(env, value < 0 ? -errno : value); }

static int32_t int_at(napi_env env, napi_value value) {
  int32_t result = -1;
  napi_get_value_int32(env, value, &result);
  return result;
}

struct bytes {
  uint8_t *data;
  size_t length;
};

/* The octets of a Uint8Array or Buffer; no data where it is something else. */
static struct bytes bytes_at(napi_env env, napi_value value) {
  struct bytes result = {NULL, 0};
  bool is_typed = false;
  napi_is_typedarray(env, value, &is_typed);
  if (!is_typed) return result;
  napi_typedarray_type type;
  void *data = NULL;
  size_t length = 0;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return result;
  if (type != napi_uint8_array && type != napi_uint8_clamped_array) return result;
  result.data = data;
  result.length = length;
  return result;
}

/* A typed array of its own: not a Buffer, whose slice() is no copy. */
static bool make_array(napi_env env, napi_typedarray_type type, size_t count, size_t width, void **data, napi_value *result) {
  napi_value memory;
  return napi_create_arraybuffer(env, count * width, data, &memory) == napi_ok &&
         napi_create_typedarray(env, type, count, memory, 0, result) == napi_ok;
}

/* ---- watches: a descriptor polled by the event loop ------------------------------------------------- */

#define ROUNDS_PER_WAKE 1

struct watch;
/* Reads what there is and delivers it; returns 0, or -errno of a read that failed for good. */
typedef int (*reader)(struct watch *);

struct watch {
  uv_poll_t poll;
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  reader read;
  int fd;
  bool closing;
  uint8_t *buffer;
  struct watch **holder; /* what the JavaScript handle points to, while there is one */
  struct watch *next;
};

static pthread_mutex_t watches_lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch *watches;

static bool is_watched(int fd) {
  bool found = false;
  pthread_mutex_lock(&watches_lock);
  for (struct watch *w = watches; w != NULL; w = w->next) found |= w->fd == fd;
  pthread_mutex_unlock(&watches_lock);
  return found;
}

static void forget(struct watch *w) {
  pthread_mutex_lock(&watches_lock);
  for (struct watch **at = &watches; *at != NULL; at = &(*at)->next) {
    if (*at != w) continue;
    *at = w->next;
    break;
  }
  pthread_mutex_unlock(&watches_lock);
}

static void on_closed(uv_handle_t *handle) {
  struct watch *w = handle->data;
  napi_remove_async_cleanup_hook(w->cleanup);
  if (w->holder != NULL) *w->holder = NULL;
  free(w->buffer);
  free(w);
}

/* Idempotent. The memory goes with the handle's close callback, so a running reader may go on looking. */
static void end_watch(struct watch *w) {
  if (w->closing) return;
  w->closing = true;
  uv_poll_stop(&w->poll);
  forget(w);
  close(w->fd);
  napi_delete_reference(w->env, w->callback);
  napi_async_destroy(w->env, w->context);
  uv_close((uv_handle_t *)&w->poll, on_closed);
}

static void on_environment_end(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  end_watch(data);
}

/* Calls back with the arguments; what the callback throws becomes an uncaughtException, as for any event. */
static void deliver(struct watch *w, size_t count, napi_value *arguments) {
  napi_value callback, receiver, result;
  napi_env env = w->env;
  if (napi_get_reference_value(env, w->callback, &callback) != napi_ok || callback == NULL) return;
  napi_get_global(env, &receiver);
  if (napi_make_callback(env, w->context, receiver, callback, count, arguments, &result) == napi_pending_exception) {
    napi_value thrown;
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct watch *w = poll->data;
  napi_handle_scope scope;
  (void)events;
  if (w->closing) return;
  napi_open_handle_scope(w->env, &scope);
  int failed = w->read(w);
  if (!w->closing && failed < 0) {
    napi_value code = number(w->env, failed);
    deliver(w, 1, &code);
  }
  /* libuv stops a poll on POLLERR; a socket error that the read has taken (ENOBUFS, ENETDOWN) is over. */
  if (!w->closing && status < 0 && failed != -EBADF && failed != -ENOTSOCK) uv_poll_start(&w->poll, UV_READABLE, on_readable);
  napi_close_handle_scope(w->env, scope);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct watch **holder = data;
  if (*holder != NULL) {
    (*holder)->holder = NULL;
    end_watch(*holder);
  }
  free(holder);
}

/* Takes the descriptor over and polls it. The result is an external handle, or -errno. */
static napi_value begin_watch(napi_env env, int fd, napi_value callback, reader read, size_t buffer_size) {
  napi_valuetype type;
  napi_typeof(env, callback, &type);
  if (type != napi_function) return number(env, -EINVAL);
  if (is_watched(fd)) return number(env, -EBUSY);
  uv_loop_t *loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return number(env, -EINVAL);
  struct watch *w = calloc(1, sizeof *w);
  struct watch **holder = calloc(1, sizeof *holder);
  uint8_t *buffer = malloc(buffer_size);
  int failed = w == NULL || holder == NULL || buffer == NULL ? -ENOMEM : uv_poll_init(loop, &w->poll, fd);
  if (failed < 0) {
    free(w);
    free(holder);
    free(buffer);
    return number(env, failed);
  }
  w->env = env;
  w->fd = fd;
  w->read = read;
  w->buffer = buffer;
  w->poll.data = w;
  napi_create_reference(env, callback, 1, &w->callback);
  napi_value name, handle;
  napi_create_string_utf8(env, "castgate", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &w->context);
  napi_add_async_cleanup_hook(env, on_environment_end, w, &w->cleanup);
  pthread_mutex_lock(&watches_lock);
  w->next = watches;
  watches = w;
  pthread_mutex_unlock(&watches_lock);
  *holder = w;
  w->holder = holder;
  napi_create_external(env, holder, on_collected, NULL, &handle);
  uv_poll_start(&w->poll, UV_READABLE, on_readable);
  return handle;
}

/* unwatch(handle): stops, and closes the descriptor. Repeating it is no error. */
static napi_value unwatch(napi_env env, napi_callback_info info) {
  ARGS(1);
  napi_valuetype type;
  void *data = NULL;
  napi_typeof(env, argv[0], &type);
  if (type != napi_external || napi_get_value_external(env, argv[0], &data) != napi_ok) return number(env, -EINVAL);
  struct watch **holder = data;
  if (*holder != NULL) end_watch(*holder);
  return number(env, 0);
}

/* close(fd) */
static napi_value close_descriptor(napi_env env, napi_callback_info info) {
  ARGS(1);
  int fd = int_at(env, argv[0]);
  if (is_watched(fd)) return number(env, -EBUSY);
  return outcome(env, close(fd));
}

/* ---- packet sockets ---------------------------------------------------------------------------------- */

#define FRAMES_PER_BATCH 64
#define FRAME_ROOM 9728
#define META_PER_FRAME 5

/*
 * packetOpen(filter, receiveBufferOctets): one socket for the frames of all interfaces. The filter is an
 * array of struct sock_filter; it is in place before the first frame can come, because the socket is
 * bound to a protocol only afterwards.
 */
static napi_value packet_open(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct bytes filter = bytes_at(env, argv[0]);
  int room = int_at(env, argv[1]);
  int on = 1;
  if (filter.data == NULL || filter.length == 0 || filter.length % sizeof(struct sock_filter) != 0) return number(env, -EINVAL);
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return number(env, -errno);
  struct sock_fprog program = {(unsigned short)(filter.length / sizeof(struct sock_filter)), (struct sock_filter *)filter.data};
  struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
      (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 &&
       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) < 0) ||
      bind(fd, (struct sockaddr *)&any, sizeof any) < 0) {
    int failed = -errno;
    close(fd);
    return number(env, failed);
  }
  return number(env, fd);
}

/* packetFilter(fd, filter): another filter in place of the one before, at once. */
static napi_value packet_filter(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct bytes filter = bytes_at(env, argv[1]);
  if (filter.data == NULL || filter.length == 0 || filter.length % sizeof(struct sock_filter) != 0) return number(env, -EINVAL);
  struct sock_fprog program = {(unsigned short)(filter.length / sizeof(struct sock_filter)), (struct sock_filter *)filter.data};
  return outcome(env, setsockopt(int_at(env, argv[0]), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

/* packetGroup(fds: Int32Array): from now on each frame comes to one of these sockets. */
static napi_value packet_group(napi_env env, napi_callback_info info) {
  ARGS(1);
  const int32_t *fds = NULL;
  size_t count = 0;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, argv[0], &type, &count, (void **)&fds, NULL, NULL) != napi_ok ||
      type != napi_int32_array || count == 0)
    return number(env, -EINVAL);
  int mode = PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
  int group = (mode | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
  for (size_t i = 0; i < count; i++) {
    if (setsockopt(fds[i], SOL_PACKET, PACKET_FANOUT, &group, sizeof group) < 0) return number(env, -errno);
    socklen_t length = sizeof group;
    if (i == 0 && getsockopt(fds[i], SOL_PACKET, PACKET_FANOUT, &group, &length) < 0) return number(env, -errno);
    if (i == 0) group = (group & 0xffff) | mode << 16;
  }
  return number(env, 0);
}

#define PORTS_PER_GROUP 64

/* packetSteer(fd, ifindexes: Int32Array): frames of these interfaces go to the group's sockets in turn, others to its last. */
static napi_value packet_steer(napi_env env, napi_callback_info info) {
  ARGS(2);
  const int32_t *indexes = NULL;
  size_t count = 0;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, argv[1], &type, &count, (void **)&indexes, NULL, NULL) != napi_ok ||
      type != napi_int32_array || count > PORTS_PER_GROUP)
    return number(env, -EINVAL);
  struct sock_filter code[2 * PORTS_PER_GROUP + 2];
  unsigned short length = 0;
  code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_IFINDEX));
  for (size_t i = 0; i < count; i++) {
    code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)indexes[i], 0, 1);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (unsigned)i);
  }
  code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (unsigned)count);
  struct sock_fprog program = {length, code};
  return outcome(env, setsockopt(int_at(env, argv[0]), SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program));
}

/* The VLAN tag that the kernel has taken off, or -1. */
static int32_t tag_of(struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    if (aux.tp_status & TP_STATUS_VLAN_VALID) return aux.tp_vlan_tci;
  }
  return -1;
}

/* One recvmmsg, one callback (octets, meta, count); the number of frames, or -errno. */
static int read_batch(struct watch *w) {
  struct mmsghdr messages[FRAMES_PER_BATCH];
  struct iovec vectors[FRAMES_PER_BATCH];
  struct sockaddr_ll from[FRAMES_PER_BATCH];
  union {
    char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    size_t align;
  } control[FRAMES_PER_BATCH];
  for (int i = 0; i < FRAMES_PER_BATCH; i++) {
    vectors[i] = (struct iovec){w->buffer + (size_t)i * FRAME_ROOM, FRAME_ROOM};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                          .msg_namelen = sizeof from[i],
                                          .msg_iov = &vectors[i],
                                          .msg_iovlen = 1,
                                          .msg_control = control[i].room,
                                          .msg_controllen = sizeof control[i].room};
  }
  int count = recvmmsg(w->fd, messages, FRAMES_PER_BATCH, MSG_DONTWAIT, NULL);
  if (count <= 0) return count < 0 ? -errno : 0;
  size_t total = 0;
  for (int i = 0; i < count; i++) total += messages[i].msg_len;
  napi_value arguments[3];
  void *octets = NULL;
  int32_t *meta = NULL;
  if (!make_array(w->env, napi_uint8_array, total, 1, &octets, &arguments[0]) ||
      !make_array(w->env, napi_int32_array, (size_t)count * META_PER_FRAME, sizeof *meta, (void **)&meta, &arguments[1]))
    return -ENOMEM;
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    memcpy((uint8_t *)octets + at, vectors[i].iov_base, messages[i].msg_len);
    meta[0] = from[i].sll_ifindex;
    meta[1] = tag_of(&messages[i].msg_hdr);
    meta[2] = (int32_t)at;
    meta[3] = (int32_t)messages[i].msg_len;
    meta[4] = from[i].sll_pkttype;
    meta += META_PER_FRAME;
    at += messages[i].msg_len;
  }
  arguments[2] = number(w->env, count);
  deliver(w, 3, arguments);
  return count;
}

/* Bounded, so that a flood of frames leaves the loop its timers; the poll is level-triggered and comes back. */
static int read_packets(struct watch *w) {
  for (int round = 0; round < ROUNDS_PER_WAKE && !w->closing; round++) {
    napi_handle_scope scope;
    napi_open_handle_scope(w->env, &scope);
    int count = read_batch(w);
    napi_close_handle_scope(w->env, scope);
    if (count == -EAGAIN || count == -EINTR) return 0;
    if (count < 0) return count;
    if (count < FRAMES_PER_BATCH) return 0;
  }
  return 0;
}

/* packetWatch(fd, (octets: Uint8Array, meta: Int32Array, count) | (-errno)): meta is ifindex, tag, offset, length, type. */
static napi_value packet_watch(napi_env env, napi_callback_info info) {
  ARGS(2);
  return begin_watch(env, int_at(env, argv[0]), argv[1], read_packets, (size_t)FRAMES_PER_BATCH * FRAME_ROOM);
}

/* packetSend(fd, ifindex, frame) */
static napi_value packet_send(napi_env env, napi_callback_info info) {
  ARGS(3);
  struct bytes frame = bytes_at(env, argv[2]);
  if (frame.data == NULL || frame.length < ETH_HLEN) return number(env, -EINVAL);
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = int_at(env, argv[1]), .sll_halen = ETH_ALEN};
  memcpy(&to.sll_protocol, frame.data + 12, sizeof to.sll_protocol);
  memcpy(to.sll_addr, frame.data, ETH_ALEN);
  return outcome(env, sendto(int_at(env, argv[0]), frame.data, frame.length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to));
}

#define FRAMES_PER_SEND 256
#define SEND_PATIENCE_MS 5

/*
 * packetSendMany(fd, ifindex, octets, lengths: Int32Array, from): the frames from number `from` on, which lie
 * one behind the other in `octets`. Waits a little where the interface takes no more for now. How many were
 * sent; -errno where the first one was refused.
 */
static napi_value packet_send_many(napi_env env, napi_callback_info info) {
  ARGS(5);
  int fd = int_at(env, argv[0]);
  int ifindex = int_at(env, argv[1]);
  struct bytes octets = bytes_at(env, argv[2]);
  int64_t from = int_at(env, argv[4]);
  bool is_typed = false;
  napi_typedarray_type type;
  size_t count;
  void *data;
  napi_is_typedarray(env, argv[3], &is_typed);
  if (!is_typed || napi_get_typedarray_info(env, argv[3], &type, &count, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array || octets.data == NULL || from < 0 || (size_t)from > count)
    return number(env, -EINVAL);
  const int32_t *lengths = data;
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (lengths[i] < ETH_HLEN || (size_t)lengths[i] > octets.length - at) return number(env, -EINVAL);
    at += (size_t)lengths[i];
  }
  at = 0;
  for (int64_t i = 0; i < from; i++) at += (size_t)lengths[i];
  int64_t sent = 0;
  while ((size_t)(from + sent) < count) {
    struct mmsghdr messages[FRAMES_PER_SEND];
    struct iovec vectors[FRAMES_PER_SEND];
    struct sockaddr_ll to[FRAMES_PER_SEND];
    int batch = 0;
    size_t next = at;
    for (; batch < FRAMES_PER_SEND && (size_t)(from + sent + batch) < count; batch++) {
      size_t length = (size_t)lengths[from + sent + batch];
      uint8_t *frame = octets.data + next;
      vectors[batch] = (struct iovec){frame, length};
      to[batch] = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = ETH_ALEN};
      memcpy(&to[batch].sll_protocol, frame + 12, sizeof to[batch].sll_protocol);
      memcpy(to[batch].sll_addr, frame, ETH_ALEN);
      messages[batch] = (struct mmsghdr){.msg_hdr = {.msg_name = &to[batch],
                                                     .msg_namelen = sizeof to[batch],
                                                     .msg_iov = &vectors[batch],
                                                     .msg_iovlen = 1}};
      next += length;
    }
    int done = sendmmsg(fd, messages, (unsigned int)batch, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      if (poll(&writable, 1, SEND_PATIENCE_MS) > 0 && (writable.revents & POLLOUT) != 0) continue;
      return number(env, sent > 0 ? sent : -EAGAIN);
    }
    if (done < 0) return number(env, sent > 0 ? sent : -errno);
    for (int i = 0; i < done; i++) at += (size_t)lengths[from + sent + i];
    sent += done;
  }
  return number(env, sent);
}

/* packetStatistics(fd, out: Int32Array(2)): frames seen and frames dropped since the last call. */
static napi_value packet_statistics(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct tpacket_stats statistics;
  socklen_t length = sizeof statistics;
  bool is_typed = false;
  napi_typedarray_type type;
  size_t count;
  void *data;
  napi_is_typedarray(env, argv[1], &is_typed);
  if (!is_typed || napi_get_typedarray_info(env, argv[1], &type, &count, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array || count < 2)
    return number(env, -EINVAL);
  if (getsockopt(int_at(env, argv[0]), SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) return number(env, -errno);
  ((int32_t *)data)[0] = (int32_t)statistics.tp_packets;
  ((int32_t *)data)[1] = (int32_t)statistics.tp_drops;
  return number(env, 0);
}

/* ---- netlink ------------------------------------------------------------------------------------------ */

/* The kernel fills dumps in chunks of up to 32 KiB: with less room than that a chunk would be cut. */
#define NETLINK_CHUNK 32768
/* Also for a packet of the largest size with its Ethernet header. */
#define MESSAGE_ROOM (65535 + 64)
#define MESSAGES_PER_WAKE 64

/* netlinkOpen(protocol, groups, receiveBufferOctets): groups is the bit mask of multicast groups 1-32. */
static napi_value netlink_open(napi_env env, napi_callback_info info) {
  ARGS(3);
  uint32_t groups = 0;
  int room = int_at(env, argv[2]);
  int on = 1;
  napi_get_value_uint32(env, argv[1], &groups);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, int_at(env, argv[0]));
  if (fd < 0) return number(env, -errno);
  struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if ((setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 &&
       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) < 0) ||
      setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) < 0 ||
      setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0 ||
      setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) < 0 ||
      bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
    int failed = -errno;
    close(fd);
    return number(env, failed);
  }
  return number(env, fd);
}

/*
 * netlinkTransact(fd, request, answer): sends the request (none where it is empty) and takes what is there
 * of the answer without waiting: the kernel has answered rtnetlink and nfnetlink requests when sendto
 * returns, and goes on with a dump at each read. Returns the octets of the answer; where these leave less
 * than a chunk of room, more may be there: call again with an empty request.
 */
static napi_value netlink_transact(napi_env env, napi_callback_info info) {
  ARGS(3);
  int fd = int_at(env, argv[0]);
  struct bytes request = bytes_at(env, argv[1]);
  struct bytes answer = bytes_at(env, argv[2]);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (answer.length < NETLINK_CHUNK) return number(env, -EINVAL);
  if (request.length > 0 && sendto(fd, request.data, request.length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
    return number(env, -errno);
  size_t at = 0;
  while (answer.length - at >= NETLINK_CHUNK) {
    ssize_t length = recv(fd, answer.data + at, answer.length - at, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    if (length < 0) return number(env, -errno);
    if ((size_t)length > answer.length - at) return number(env, -EMSGSIZE);
    at += (size_t)length;
  }
  return number(env, (int64_t)at);
}

static int read_netlink(struct watch *w) {
  for (int i = 0; i < MESSAGES_PER_WAKE && !w->closing; i++) {
    ssize_t length = recv(w->fd, w->buffer, MESSAGE_ROOM, MSG_DONTWAIT);
    if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    napi_handle_scope scope;
    napi_value buffer;
    napi_open_handle_scope(w->env, &scope);
    if (napi_create_buffer_copy(w->env, (size_t)length, w->buffer, NULL, &buffer) == napi_ok) deliver(w, 1, &buffer);
    napi_close_handle_scope(w->env, scope);
  }
  return 0;
}

/* netlinkWatch(fd, (octets: Buffer) | (-errno)): one callback a datagram; -ENOBUFS says that some were lost. */
static napi_value netlink_watch(napi_env env, napi_callback_info info) {
  ARGS(2);
  return begin_watch(env, int_at(env, argv[0]), argv[1], read_netlink, MESSAGE_ROOM);
}

/* ---- sockets that are handed from process to process ---------------------------------------------------- */

/* Descriptors in one message: the kernel takes 253 (SCM_MAX_FD). */
#define DESCRIPTORS_PER_MESSAGE 128

static bool ints_at(napi_env env, napi_value value, int32_t **data, size_t *count) {
  bool is_typed = false;
  napi_typedarray_type type;
  napi_is_typedarray(env, value, &is_typed);
  return is_typed && napi_get_typedarray_info(env, value, &type, count, (void **)data, NULL, NULL) == napi_ok &&
         type == napi_int32_array;
}

/* socketPair(out: Int32Array(2)): two connected Unix stream sockets. */
static napi_value socket_pair(napi_env env, napi_callback_info info) {
  ARGS(1);
  int32_t *out;
  size_t count;
  int pair[2];
  if (!ints_at(env, argv[0], &out, &count) || count < 2) return number(env, -EINVAL);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return number(env, -errno);
  out[0] = pair[0];
  out[1] = pair[1];
  return number(env, 0);
}

/* duplicate(fd): another descriptor of the same open socket. */
static napi_value duplicate(napi_env env, napi_callback_info info) {
  ARGS(1);
  return outcome(env, fcntl(int_at(env, argv[0]), F_DUPFD_CLOEXEC, 3));
}

/* descriptorsSend(fd, descriptors: Int32Array): over a Unix stream socket; the receiver gets copies. */
static napi_value descriptors_send(napi_env env, napi_callback_info info) {
  ARGS(2);
  int32_t *given;
  size_t count;
  if (!ints_at(env, argv[1], &given, &count) || count == 0) return number(env, -EINVAL);
  for (size_t at = 0; at < count;) {
    size_t some = count - at < DESCRIPTORS_PER_MESSAGE ? count - at : DESCRIPTORS_PER_MESSAGE;
    union {
      char room[CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * sizeof(int))];
      size_t align;
    } control = {{0}};
    uint8_t octet = 0;
    struct iovec vector = {&octet, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = CMSG_SPACE(some * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(some * sizeof(int));
    memcpy(CMSG_DATA(header), given + at, some * sizeof(int));
    ssize_t sent = sendmsg(int_at(env, argv[0]), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return number(env, -errno);
    at += some;
  }
  return number(env, (int64_t)count);
}

/* descriptorsReceive(fd, out: Int32Array): exactly as many as `out` has room for, which must have been sent; how many. */
static napi_value descriptors_receive(napi_env env, napi_callback_info info) {
  ARGS(2);
  int32_t *out;
  size_t count;
  if (!ints_at(env, argv[1], &out, &count)) return number(env, -EINVAL);
  size_t at = 0;
  while (at < count) {
    union {
      char room[CMSG_SPACE(DESCRIPTORS_PER_MESSAGE * sizeof(int))];
      size_t align;
    } control;
    uint8_t octet;
    struct iovec vector = {&octet, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t got = recvmsg(int_at(env, argv[0]), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return number(env, got < 0 ? -errno : (int64_t)at);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      size_t some = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      int received[DESCRIPTORS_PER_MESSAGE];
      memcpy(received, CMSG_DATA(c), some * sizeof(int));
      for (size_t i = 0; i < some; i++) {
        if (at < count) out[at++] = received[i];
        else close(received[i]);
      }
    }
  }
  return number(env, (int64_t)at);
}

/* An address in text; the length of its structure, or 0. */
static socklen_t address_at(napi_env env, napi_value text, int port, struct sockaddr_storage *out) {
  char name[INET6_ADDRSTRLEN + 1] = "";
  size_t length = 0;
  if (napi_get_value_string_utf8(env, text, name, sizeof name, &length) != napi_ok) return 0;
  memset(out, 0, sizeof *out);
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
  if (inet_pton(AF_INET, name, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, name, &v6->sin6_addr) != 1) return 0;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)port);
  return sizeof *v6;
}

/*
 * udpOpen(localAddress, localPort, remoteAddress, remotePort, receiveBufferOctets): a socket that is bound, and
 * connected where `remoteAddress` is not empty. IPv6 sockets take IPv6 alone.
 */
static napi_value udp_open(napi_env env, napi_callback_info info) {
  ARGS(5);
  struct sockaddr_storage local, remote;
  socklen_t local_length = address_at(env, argv[0], int_at(env, argv[1]), &local);
  socklen_t remote_length = address_at(env, argv[2], int_at(env, argv[3]), &remote);
  int room = int_at(env, argv[4]);
  int on = 1;
  if (local_length == 0) return number(env, -EINVAL);
  int fd = socket(local.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return number(env, -errno);
  if ((local.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
      (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 &&
       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) < 0) ||
      bind(fd, (struct sockaddr *)&local, local_length) < 0 ||
      (remote_length > 0 && connect(fd, (struct sockaddr *)&remote, remote_length) < 0)) {
    int failed = -errno;
    close(fd);
    return number(env, failed);
  }
  return number(env, fd);
}

/* socketSend(fd, octets): of a connected socket, without waiting. */
static napi_value socket_send(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct bytes octets = bytes_at(env, argv[1]);
  if (octets.data == NULL) return number(env, -EINVAL);
  return outcome(env, send(int_at(env, argv[0]), octets.data, octets.length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

#define DATAGRAMS_PER_BATCH 32
/* RADIUS packets have 4,096 octets at most, and what is behind them in a datagram is padding (RFC 2865 section 3). */
#define DATAGRAM_ROOM 4096

/* One recvmmsg, one callback (octets, lengths). */
static int read_datagrams(struct watch *w) {
  struct mmsghdr messages[DATAGRAMS_PER_BATCH];
  struct iovec vectors[DATAGRAMS_PER_BATCH];
  for (int i = 0; i < DATAGRAMS_PER_BATCH; i++) {
    vectors[i] = (struct iovec){w->buffer + (size_t)i * DATAGRAM_ROOM, DATAGRAM_ROOM};
    messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
  }
  int count = recvmmsg(w->fd, messages, DATAGRAMS_PER_BATCH, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  if (count == 0) return 0;
  size_t total = 0;
  for (int i = 0; i < count; i++) total += messages[i].msg_len;
  napi_value arguments[2];
  void *octets = NULL;
  int32_t *lengths = NULL;
  if (!make_array(w->env, napi_uint8_array, total, 1, &octets, &arguments[0]) ||
      !make_array(w->env, napi_int32_array, (size_t)count, sizeof *lengths, (void **)&lengths, &arguments[1]))
    return -ENOMEM;
  for (int i = 0; i < count; i++) {
    if (messages[i].msg_len > 0) memcpy(octets, vectors[i].iov_base, messages[i].msg_len);
    octets = (uint8_t *)octets + messages[i].msg_len;
    lengths[i] = (int32_t)messages[i].msg_len;
  }
  deliver(w, 2, arguments);
  return 0;
}

/* datagramWatch(fd, (octets: Uint8Array, lengths: Int32Array) | (-errno)): of a connected socket. */
static napi_value datagram_watch(napi_env env, napi_callback_info info) {
  ARGS(2);
  return begin_watch(env, int_at(env, argv[0]), argv[1], read_datagrams, (size_t)DATAGRAMS_PER_BATCH * DATAGRAM_ROOM);
}

/* unixListen(path): a Unix stream socket that listens; whoever closes it leaves its name where it is. */
static napi_value unix_listen(napi_env env, napi_callback_info info) {
  ARGS(1);
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  size_t length = 0;
  if (napi_get_value_string_utf8(env, argv[0], local.sun_path, sizeof local.sun_path, &length) != napi_ok)
    return number(env, -EINVAL);
  if (length >= sizeof local.sun_path - 1) return number(env, -ENAMETOOLONG);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return number(env, -errno);
  if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0 || listen(fd, SOMAXCONN) < 0) {
    int failed = -errno;
    close(fd);
    return number(env, failed);
  }
  return number(env, fd);
}

/* ---- interfaces and namespaces ------------------------------------------------------------------------ */

/* interfaceIndex(name) in the calling thread's network namespace */
static napi_value interface_index(napi_env env, napi_callback_info info) {
  ARGS(1);
  char name[IF_NAMESIZE + 1] = "";
  size_t length = 0;
  if (napi_get_value_string_utf8(env, argv[0], name, sizeof name, &length) != napi_ok) return number(env, -EINVAL);
  if (length >= IF_NAMESIZE) return number(env, -ENODEV);
  unsigned int index = if_nametoindex(name);
  return index == 0 ? number(env, -errno) : number(env, index);
}

/* enterNetwork(path): the calling thread's later sockets and children belong to that network namespace. */
static napi_value enter_network(napi_env env, napi_callback_info info) {
  ARGS(1);
  char path[4096];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, argv[0], path, sizeof path, &length) != napi_ok) return number(env, -EINVAL);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return number(env, -errno);
  int failed = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
  close(fd);
  return number(env, failed);
}

/* ---- unix datagrams ----------------------------------------------------------------------------------- */

/*
 * datagramSend(path, octets): one datagram to a Unix socket, a path or, after '@', a name of the abstract kind.
 * Never waits: -EAGAIN where the receiver has no room.
 */
static napi_value datagram_send(napi_env env, napi_callback_info info) {
  ARGS(2);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  char path[sizeof to.sun_path + 1] = "";
  size_t length = 0;
  if (napi_get_value_string_utf8(env, argv[0], path, sizeof path, &length) != napi_ok) return number(env, -EINVAL);
  struct bytes octets = bytes_at(env, argv[1]);
  if (octets.data == NULL || (path[0] != '/' && path[0] != '@')) return number(env, -EINVAL);
  if (length >= sizeof to.sun_path) return number(env, -ENAMETOOLONG);
  memcpy(to.sun_path, path, length);
  if (path[0] == '@') to.sun_path[0] = '\0';
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/' ? 1 : 0));
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return number(env, -errno);
  ssize_t sent = sendto(fd, octets.data, octets.length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, size);
  int64_t result = sent < 0 ? -errno : sent;
  close(fd);
  return number(env, result);
}

/* ---- the module ---------------------------------------------------------------------------------------- */

static napi_value init(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"close", close_descriptor},       {"unwatch", unwatch},
      {"packetOpen", packet_open},       {"packetWatch", packet_watch},
      {"socketPair", socket_pair},       {"duplicate", duplicate},
      {"descriptorsSend", descriptors_send}, {"descriptorsReceive", descriptors_receive},
      {"udpOpen", udp_open},             {"socketSend", socket_send},
      {"datagramWatch", datagram_watch}, {"unixListen", unix_listen},
      {"packetSend", packet_send},       {"packetSendMany", packet_send_many},
      {"packetStatistics", packet_statistics},
      {"packetGroup", packet_group},     {"packetSteer", packet_steer},
      {"packetFilter", packet_filter},
      {"netlinkOpen", netlink_open},     {"netlinkTransact", netlink_transact},
      {"netlinkWatch", netlink_watch},   {"interfaceIndex", interface_index},
      {"enterNetwork", enter_network},   {"datagramSend", datagram_send},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  add_connection_functions(env, exports);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
