// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process has attached:
 *
 *	/proc/<pid>/vas/<vid>/status	pid, vid, type
 *	/proc/<pid>/vas/<vid>/maps	as /proc/<pid>/maps, with flags [v:a]:
 *					v: memory of the VAS, a: it has page tables
 *	/proc/<pid>/vas/<vid>/vas	link to the VAS in sysfs
 *
 * Folders are the user's of the process; their contents need the permission
 * that reading /proc/<pid>/maps needs. proc_inode.fd has the id of the VAS.
 */

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/pagewalk.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include "../../fs/proc/internal.h"
#include "vas.h"

/* What a file of an attachment is about. */
struct vas_file {
	struct mm_struct *mm;
	struct pid *pid;
	unsigned int vid;
};

/* The attachments of an mm that the caller uses; under RCU. */
static struct vas_attachment *find_attachment(struct mm_struct *mm,
					      unsigned long *vid, bool next)
{
	/* pairs with get_vas_mm() */
	struct vas_mm *vas_mm = smp_load_acquire(arch_vas_mm(mm));

	if (!vas_mm)
		return NULL;
	if (next)
		return xa_find(&vas_mm->by_id, vid, INT_MAX, XA_PRESENT);
	return xa_load(&vas_mm->by_id, *vid);
}

static bool task_has(struct task_struct *task, unsigned long *vid, bool next)
{
	struct mm_struct *mm = get_task_mm(task);
	bool found;

	if (!mm)
		return false;
	scoped_guard(rcu)
		found = find_attachment(mm, vid, next);
	mmput(mm);
	return found;
}

/**
 * vas_mem_address() - the address that an offset in /proc/<pid>/mem means
 * @file:	the open file
 * @addr:	the offset
 *
 * Return: the address in the mm; as for a thread outside of all VASes if the
 * one whose file it is has gone, or has another mm by now.
 */
unsigned long vas_mem_address(struct file *file, unsigned long addr)
{
	struct task_struct *task = get_proc_task(file_inode(file));
	bool same = task && READ_ONCE(task->mm) == file->private_data;

	addr = arch_vas_task_address(same ? task : NULL, addr);
	if (task)
		put_task_struct(task);
	return addr;
}

/*
 * Files
 */

static const char *type_name(int type)
{
	static const char * const names[] = {
		[O_RDONLY] = "ro", [O_WRONLY] = "wo", [O_RDWR] = "rw",
	};

	return names[type & O_ACCMODE];
}

static int show_status(struct seq_file *m, void *unused)
{
	struct vas_file *file = m->private;
	unsigned long vid = file->vid;
	struct vas_attachment *attachment;

	guard(rcu)();
	attachment = find_attachment(file->mm, &vid, false);
	if (!attachment)
		return -ESRCH;
	seq_printf(m, "pid:\t%d\nvid:\t%u\ntype:\t%s\n",
		   pid_nr_ns(file->pid, proc_pid_ns(file_inode(m->file)->i_sb)),
		   file->vid, type_name(attachment->type));
	return 0;
}

static int found_table(pmd_t *pmd, unsigned long addr, unsigned long next,
		       struct mm_walk *walk)
{
	return pmd_present(*pmd);
}

static const struct mm_walk_ops find_table_ops = {
	.pmd_entry = found_table,
	.walk_lock = PGWALK_RDLOCK,
};

static void show_mapping(struct seq_file *m, struct vm_area_struct *vma)
{
	bool tables = walk_page_vma(vma, &find_table_ops, NULL) > 0;
	struct inode *inode = file_inode(vma->vm_file);

	seq_printf(m, "%08lx-%08lx %c%c%cs %08llx %02x:%02x %llu [v%s] ",
		   vas_shown_address(vma->vm_start),
		   vas_shown_address(vma->vm_end - 1) + 1,
		   vma->vm_flags & VM_READ ? 'r' : '-',
		   vma->vm_flags & VM_WRITE ? 'w' : '-',
		   vma->vm_flags & VM_EXEC ? 'x' : '-',
		   (u64)vma->vm_pgoff << PAGE_SHIFT,
		   MAJOR(inode->i_sb->s_dev), MINOR(inode->i_sb->s_dev),
		   (u64)inode->i_ino, tables ? ":a" : ":-");
	seq_file_path(m, vma->vm_file, "\n");
	seq_putc(m, '\n');
}

static int show_maps(struct seq_file *m, void *unused)
{
	struct vas_file *file = m->private;
	struct vas_attachment *attachment;
	unsigned long vid = file->vid, end;
	struct vm_area_struct *vma;
	unsigned int slot;

	if (mmap_read_lock_killable(file->mm))
		return -EINTR;
	/* A detach unmaps, under this lock, before it frees the slot. */
	scoped_guard(rcu) {
		attachment = find_attachment(file->mm, &vid, false);
		slot = attachment ? attachment->slot : 0;
	}
	if (slot) {
		VMA_ITERATOR(vmi, file->mm,
			     arch_vas_address(slot, VAS_WINDOW_START));

		end = arch_vas_address(slot, VAS_WINDOW_END);
		for_each_vma_range(vmi, vma, end)
			show_mapping(m, vma);
	}
	mmap_read_unlock(file->mm);
	return slot ? 0 : -ESRCH;
}

static int open_file(struct inode *inode, struct file *file,
		     int (*show)(struct seq_file *m, void *unused))
{
	struct task_struct *task = get_proc_task(inode);
	struct vas_file *vas_file;
	int err = -ENOMEM;

	if (!task)
		return -ESRCH;
	vas_file = kzalloc_obj(*vas_file, GFP_KERNEL_ACCOUNT);
	if (!vas_file)
		goto put_task;

	vas_file->vid = PROC_I(inode)->fd;
	vas_file->pid = proc_pid(inode);
	vas_file->mm = mm_access(task, PTRACE_MODE_READ_FSCREDS);
	err = PTR_ERR_OR_ZERO(vas_file->mm);
	if (err)
		goto free;

	/* As for maps: an open file keeps the struct, not what is mapped. */
	mmgrab(vas_file->mm);
	mmput(vas_file->mm);
	err = single_open(file, show, vas_file);
	if (!err)
		goto put_task;
	mmdrop(vas_file->mm);
free:
	kfree(vas_file);
put_task:
	put_task_struct(task);
	return err;
}

static int open_status(struct inode *inode, struct file *file)
{
	return open_file(inode, file, show_status);
}

static int open_maps(struct inode *inode, struct file *file)
{
	return open_file(inode, file, show_maps);
}

/* The process may have gone since the file was opened. */
static ssize_t read_file(struct kiocb *iocb, struct iov_iter *iter)
{
	struct seq_file *m = iocb->ki_filp->private_data;
	struct vas_file *file = m->private;
	ssize_t ret;

	if (!mmget_not_zero(file->mm))
		return 0;
	ret = seq_read_iter(iocb, iter);
	mmput(file->mm);
	return ret;
}

static int release_file(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct vas_file *vas_file = m->private;

	mmdrop(vas_file->mm);
	kfree(vas_file);
	return single_release(inode, file);
}

static const struct file_operations status_operations = {
	.open = open_status,
	.read_iter = read_file,
	.llseek = seq_lseek,
	.release = release_file,
};

static const struct file_operations maps_operations = {
	.open = open_maps,
	.read_iter = read_file,
	.llseek = seq_lseek,
	.release = release_file,
};

static const char *get_link(struct dentry *dentry, struct inode *inode,
			    struct delayed_call *done)
{
	char *link;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	link = kasprintf(GFP_KERNEL, "../../../../sys/kernel/vas/%u",
			 PROC_I(inode)->fd);
	if (!link)
		return ERR_PTR(-ENOMEM);
	set_delayed_call(done, kfree_link, link);
	return link;
}

static const struct inode_operations link_inode_operations = {
	.get_link = get_link,
	.setattr = proc_nochmod_setattr,
};

/*
 * Folders
 */

struct entry {
	const char *name;
	umode_t mode;
	const struct inode_operations *i_op;
	const struct file_operations *i_fop;
	unsigned int vid;
};

static const struct inode_operations file_inode_operations = {
	.setattr = proc_nochmod_setattr,
};

static const struct entry files[] = {
	{ "status", S_IFREG | 0400, &file_inode_operations, &status_operations },
	{ "maps", S_IFREG | 0400, &file_inode_operations, &maps_operations },
	{ "vas", S_IFLNK | 0777, &link_inode_operations, NULL },
};

/* While the process has the VAS attached. */
static int revalidate(struct inode *dir, const struct qstr *name,
		      struct dentry *dentry, unsigned int flags)
{
	struct task_struct *task;
	struct inode *inode;
	unsigned long vid;
	int valid = 0;

	if (flags & LOOKUP_RCU)
		return -ECHILD;
	inode = d_inode(dentry);
	task = inode ? get_proc_task(inode) : NULL;
	if (!task)
		return 0;
	vid = PROC_I(inode)->fd;
	if (task_has(task, &vid, false)) {
		pid_update_inode(task, inode);
		valid = 1;
	}
	put_task_struct(task);
	return valid;
}

static const struct dentry_operations vas_dentry_operations = {
	.d_revalidate = revalidate,
	.d_delete = pid_delete_dentry,
};

static struct dentry *instantiate(struct dentry *dentry,
				  struct task_struct *task, const void *ptr)
{
	const struct entry *entry = ptr;
	struct inode *inode;

	inode = proc_pid_make_inode(dentry->d_sb, task, entry->mode);
	if (!inode)
		return ERR_PTR(-ENOENT);
	PROC_I(inode)->fd = entry->vid;
	inode->i_op = entry->i_op;
	if (entry->i_fop)
		inode->i_fop = entry->i_fop;
	if (S_ISDIR(entry->mode))
		set_nlink(inode, 2);
	pid_update_inode(task, inode);
	return d_splice_alias_ops(inode, dentry, &vas_dentry_operations);
}

static struct dentry *lookup_file(struct inode *dir, struct dentry *dentry,
				  unsigned int flags)
{
	struct task_struct *task = get_proc_task(dir);
	struct dentry *result = ERR_PTR(-ENOENT);
	unsigned int i;

	if (!task)
		return result;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct entry entry = files[i];

		if (strcmp(dentry->d_name.name, entry.name))
			continue;
		entry.vid = PROC_I(dir)->fd;
		result = instantiate(dentry, task, &entry);
	}
	put_task_struct(task);
	return result;
}

static int read_files(struct file *file, struct dir_context *ctx)
{
	struct inode *inode = file_inode(file);
	struct task_struct *task = get_proc_task(inode);

	if (!task)
		return -ENOENT;
	if (!dir_emit_dots(file, ctx))
		goto out;
	for (; ctx->pos - 2 < ARRAY_SIZE(files); ctx->pos++) {
		struct entry entry = files[ctx->pos - 2];

		entry.vid = PROC_I(inode)->fd;
		if (!proc_fill_cache(file, ctx, entry.name, strlen(entry.name),
				     instantiate, task, &entry))
			break;
	}
out:
	put_task_struct(task);
	return 0;
}

static const struct inode_operations folder_inode_operations = {
	.lookup = lookup_file,
	.getattr = pid_getattr,
	.setattr = proc_nochmod_setattr,
};

static const struct file_operations folder_operations = {
	.read = generic_read_dir,
	.iterate_shared = read_files,
	.llseek = generic_file_llseek,
};

static struct entry folder(unsigned int vid)
{
	return (struct entry) {
		.mode = S_IFDIR | 0500,
		.i_op = &folder_inode_operations,
		.i_fop = &folder_operations,
		.vid = vid,
	};
}

static struct dentry *lookup_folder(struct inode *dir, struct dentry *dentry,
				    unsigned int flags)
{
	struct task_struct *task = get_proc_task(dir);
	struct dentry *result = ERR_PTR(-ENOENT);
	unsigned long vid = name_to_int(&dentry->d_name);

	if (!task)
		return result;
	if (vid <= INT_MAX && task_has(task, &vid, false)) {
		struct entry entry = folder(vid);

		result = instantiate(dentry, task, &entry);
	}
	put_task_struct(task);
	return result;
}

/* The position in the folder is the id and two for the dots. */
static int read_folders(struct file *file, struct dir_context *ctx)
{
	struct task_struct *task = get_proc_task(file_inode(file));
	unsigned long vid;

	if (!task)
		return -ENOENT;
	if (!dir_emit_dots(file, ctx))
		goto out;

	for (vid = ctx->pos - 2; task_has(task, &vid, true); vid++) {
		struct entry entry = folder(vid);
		char name[12];
		int len;

		ctx->pos = vid + 2;
		len = snprintf(name, sizeof(name), "%lu", vid);
		if (!proc_fill_cache(file, ctx, name, len, instantiate, task,
				     &entry))
			goto out;
		ctx->pos++;
		cond_resched();
	}
out:
	put_task_struct(task);
	return 0;
}

const struct inode_operations vas_proc_inode_operations = {
	.lookup = lookup_folder,
	.getattr = pid_getattr,
	.setattr = proc_nochmod_setattr,
};

const struct file_operations vas_proc_operations = {
	.read = generic_read_dir,
	.iterate_shared = read_folders,
	.llseek = generic_file_llseek,
};
