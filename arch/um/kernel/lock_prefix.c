// SPDX-License-Identifier: GPL-2.0-only
/*
 * One SMP kernel that is as fast with one CPU as a kernel built without SMP.
 *
 * A locked instruction costs about twenty cycles, and a page that is mapped,
 * shared or freed takes several. With ncpus=1 nothing can come between the load
 * and the store of one instruction, so the kernel overwrites each lock prefix
 * of its text with a segment prefix that means nothing. LOCK_PREFIX notes where
 * they are. (x86 had the same for kernels that find one processor at boot.)
 */

#include <linux/init.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <asm/lock_prefix.h>
#include <asm/sections.h>
#include <os.h>
#include <shared/smp.h>

#define LOCK_BYTE	0xf0
#define DS_BYTE		0x3e

static int __init drop_in_section(char *start, char *end)
{
	char *first = (char *)PAGE_ALIGN_DOWN((unsigned long)start);
	unsigned long len = PAGE_ALIGN((unsigned long)end) -
			    (unsigned long)first;
	const s32 *entry;
	u8 *prefix;
	int err;

	err = os_protect_memory(first, len, 1, 1, 1);
	if (err)
		return err;

	for (entry = __start_um_lock_prefix; entry < __stop_um_lock_prefix;
	     entry++) {
		prefix = (u8 *)entry + *entry;
		if (prefix >= (u8 *)start && prefix < (u8 *)end &&
		    *prefix == LOCK_BYTE)
			*prefix = DS_BYTE;
	}

	return os_protect_memory(first, len, 1, 0, 1);
}

static int __init um_drop_lock_prefixes(void)
{
	int err;

	if (uml_ncpus > 1)
		return 0;

	err = drop_in_section(_stext, _etext);
	if (err)
		pr_warn("um: lock prefixes stay: the host does not let them be changed, errno %d\n",
			-err);
	return 0;
}
early_initcall(um_drop_lock_prefixes);
