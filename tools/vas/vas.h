/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvas: first-class virtual address spaces. Link with -lvas.
 *
 * The calls return -1 and set errno when they fail; see vas_create(2) and the
 * manual pages next to it.
 */

#ifndef VAS_H
#define VAS_H

#include <fcntl.h>
#include <linux/vas.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

int vas_create(const char *name, mode_t mode);
int vas_clone(int vid, const char *name, mode_t mode);
int vas_delete(int vid);
int vas_find(const char *name);
int vas_attach(pid_t pid, int vid, int type);
int vas_detach(pid_t pid, int vid);
int vas_switch(int vid);
int active_vas(void);
int vas_getattr(int vid, struct vas_attr *attr);
int vas_setattr(int vid, const struct vas_attr *attr);

int vas_seg_create(const char *name, unsigned long start, unsigned long end,
		   mode_t mode);
int vas_seg_create_fd(const char *name, unsigned long start, unsigned long end,
		      mode_t mode, int fd);
int vas_seg_delete(int sid);
int vas_seg_find(const char *name);
int vas_seg_attach(int vid, int sid, int type);
int vas_seg_detach(int vid, int sid);
int vas_seg_getattr(int sid, struct vas_seg_attr *attr);
int vas_seg_setattr(int sid, const struct vas_seg_attr *attr);

/**
 * vas_open() - find a VAS, or make it, and attach it to this process
 * @name:	its name
 * @type:	O_RDONLY, O_WRONLY or O_RDWR, as for vas_attach(); with O_CREAT it
 *		is made if there is none
 * @mode:	permissions if it is made
 *
 * Return: its id; -1 with the errno of vas_find(), vas_create() or vas_attach().
 */
int vas_open(const char *name, int type, mode_t mode);

/**
 * vas_call() - call a function inside of a VAS
 * @vid:	id of a VAS that is attached
 * @function:	the function
 * @argument:	its argument; if it points into memory, that has to be outside
 *		of the window, or in the VAS
 * @result:	what the function returned is stored here unless it is NULL
 *
 * The thread goes back to where it was. Calls can be nested.
 *
 * Return: 0; -1 with the errno of vas_switch(), and then @function was not
 * called if it could not get in.
 */
int vas_call(int vid, void *(*function)(void *argument), void *argument,
	     void **result);

#ifdef __cplusplus
}
#endif

#endif
