// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include "kassay.bpf.h"

/* LINUX_KERNEL_VERSION is libbpf's, the options are those of the kernel's config. */
extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern bool CONFIG_NUMA_BALANCING __kconfig __weak;

struct list_head {
	struct list_head *next;
} KERNEL_TYPE;

struct hlist_node {
	struct hlist_node *next;
} KERNEL_TYPE;

struct hlist_head {
	struct hlist_node *first;
} KERNEL_TYPE;

/* A directory and its entries, as include/linux/dcache.h had them before 6.8, ... */
struct dentry___before_6_8 {
	struct list_head d_child;
	struct list_head d_subdirs;
} KERNEL_TYPE;

/* ... and since then. */
struct dentry___since_6_8 {
	struct hlist_node d_sib;
	struct hlist_head d_children;
} KERNEL_TYPE;

/* A name that is short enough to be in the dentry itself, before 6.14, ... */
struct dentry___before_6_14 {
	unsigned char d_iname[1];
} KERNEL_TYPE;

/* ... and since then, when it moved into a union. */
union shortname_store {
	unsigned char string[1];
} KERNEL_TYPE;

struct dentry___since_6_14 {
	union shortname_store d_shortname;
} KERNEL_TYPE;

struct dentry___parent {
	struct dentry *d_parent;
} KERNEL_TYPE;

/* CONFIG_NUMA_BALANCING brings the field. */
struct task_struct___numa {
	unsigned long *numa_faults;
} KERNEL_TYPE;

struct new_utsname {
	char release[65];
} KERNEL_TYPE;

struct uts_namespace {
	struct new_utsname name;
} KERNEL_TYPE;

struct nsproxy {
	struct uts_namespace *uts_ns;
} KERNEL_TYPE;

struct task_struct___nsproxy {
	struct nsproxy *nsproxy;
} KERNEL_TYPE;

/* Whether what uname(2) says begins with the version that libbpf found. */
static int release_has_version(void)
{
	struct task_struct___nsproxy *task = (void *)bpf_get_current_task();
	char version[16] = {}, release[16] = {};
	__u32 number = LINUX_KERNEL_VERSION;
	int i;

	BPF_SNPRINTF(version, sizeof(version), "%u.%u.", number >> 16, number >> 8 & 0xff);
	BPF_CORE_READ_STR_INTO(&release, task, nsproxy, uts_ns, name.release);
	for (i = 0; i < sizeof(version) && version[i]; i++) {
		if (version[i] != release[i])
			return 0;
	}
	return i > 0;
}

/* The name inside the dentry. */
static void read_short_name(struct dentry *dentry, char *name, __u32 size)
{
	struct dentry___since_6_14 *since = (void *)dentry;
	struct dentry___before_6_14 *before = (void *)dentry;

	if (bpf_core_field_exists(since->d_shortname))
		bpf_core_read_str(name, size, &since->d_shortname.string);
	else
		bpf_core_read_str(name, size, &before->d_iname);
}

/* The youngest entry of a directory: a new one is put first. */
static struct dentry *youngest(struct dentry *directory)
{
	struct dentry___since_6_8 *since = (void *)directory;
	struct dentry___before_6_8 *before = (void *)directory;

	if (bpf_core_field_exists(since->d_children))
		return (void *)BPF_CORE_READ(since, d_children.first) -
		       bpf_core_field_offset(since->d_sib);
	return (void *)BPF_CORE_READ(before, d_subdirs.next) -
	       bpf_core_field_offset(before->d_child);
}

SEC("kprobe/vfs_unlink")
int BPF_KPROBE(core, void *idmap, struct inode *dir, struct dentry *dentry)
{
	struct dentry *parent = BPF_CORE_READ((struct dentry___parent *)dentry, d_parent);
	int has_children = bpf_core_field_exists(struct dentry___since_6_8, d_children);
	int has_numa = bpf_core_field_exists(struct task_struct___numa, numa_faults);
	char name[8] = {}, other[8] = {};

	if (!is_task("unlink"))
		return 0;
	bpf_printk("LINUX_KERNEL_VERSION is that of the release: %d", release_has_version());
	bpf_printk("d_children is there as it is since 6.8: %d",
		   has_children == (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 8, 0)));
	bpf_printk("CONFIG_BPF_SYSCALL is on: %d", CONFIG_BPF_SYSCALL);
	bpf_printk("numa_faults is there as CONFIG_NUMA_BALANCING is on: %d",
		   has_numa == CONFIG_NUMA_BALANCING);
	read_short_name(dentry, name, sizeof(name));
	read_short_name(youngest(parent), other, sizeof(other));
	bpf_printk("unlinks %s, the directory's youngest entry is %s", name, other);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
