/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __PLACEMENT_H
#define __PLACEMENT_H

#include <mm_id.h>

enum placement {
	PLACE_ANYWHERE,
	PLACE_APART,
	PLACE_TOGETHER,
	PLACE_OWN,
};

void placement_look(void);
int placement_allowed(void);
void placement_inherit(struct mm_id *id);
void placement_set(struct mm_id *id, enum placement placement);

#endif
