/* Descriptors that go from process to process over a Unix socket. */
#ifndef RIGHTS_H
#define RIGHTS_H

#include "program.h"

#include <sys/socket.h>

union rights {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static inline void send_fd(int over, int fd)
{
	union rights rights = {0};
	char byte = '!';
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
				 .msg_control = &rights, .msg_controllen = sizeof(rights)};

	rights.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					 .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(&rights.header), &fd, sizeof(fd));
	need(sendmsg(over, &message, 0), "sendmsg");
}

static inline int receive_fd(int over)
{
	union rights rights;
	char byte;
	int fd;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
				 .msg_control = &rights, .msg_controllen = sizeof(rights)};

	need(recvmsg(over, &message, MSG_CMSG_CLOEXEC), "recvmsg");
	memcpy(&fd, CMSG_DATA(&rights.header), sizeof(fd));
	return fd;
}

#endif
