// Structs, enums and functions of the running kernel: everything that is filled in when a program is loaded.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char _license[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

// Members are in another order than in the kernel, and some exist here only.
struct task_struct {
	char comm[16];
	int tgid;
	unsigned int in_execve : 1;
	struct task_struct *group_leader;
	int nobody_has_this;
};

struct task_struct___old {
	long state_of_long_ago;
};

struct sock_common {
	unsigned short skc_family;
	// Within an unnamed union of the kernel.
	unsigned int skc_daddr;
};

struct sock {
	struct sock_common __sk_common;
};

struct nobody_has_this_struct {
	int member;
};

#pragma clang attribute pop

enum bpf_map_type___other {
	BPF_MAP_TYPE_LRU_HASH___other = 1000,
	BPF_MAP_TYPE_NOBODY_HAS___other = 1001,
};

struct answers {
	__u32 tgid;
	__u32 leader_tgid;
	__u32 comm_offset;
	__u32 daddr_offset;
	__u32 in_execve;
	__u32 task_bytes;
	__u64 lru_hash;
	__u8 has_comm;
	__u8 has_nothing;
	__u8 has_state_of_long_ago;
	__u8 has_task;
	__u8 has_no_struct;
	__u8 has_lru_hash;
	__u8 has_no_value;
	__u8 pad;
	char comm[16];
};

SEC("syscall")
int ask_kernel(struct answers *out)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sock *sk = 0;
	char comm[16] = "";

	out->tgid = BPF_CORE_READ(task, tgid);
	out->leader_tgid = BPF_CORE_READ(task, group_leader, tgid);
	bpf_core_read_str(comm, sizeof(comm), &task->comm);
	__builtin_memcpy(out->comm, comm, sizeof(comm));
	out->comm_offset = bpf_core_field_offset(task->comm);
	out->daddr_offset = bpf_core_field_offset(sk->__sk_common.skc_daddr);
	out->in_execve = BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	out->task_bytes = bpf_core_type_size(struct task_struct);
	out->lru_hash = bpf_core_enum_value(enum bpf_map_type___other, BPF_MAP_TYPE_LRU_HASH___other);
	out->has_comm = bpf_core_field_exists(task->comm);
	out->has_nothing = bpf_core_field_exists(task->nobody_has_this);
	out->has_state_of_long_ago = bpf_core_field_exists(((struct task_struct___old *)task)->state_of_long_ago);
	out->has_task = bpf_core_type_exists(struct task_struct);
	out->has_no_struct = bpf_core_type_exists(struct nobody_has_this_struct);
	out->has_lru_hash = bpf_core_enum_value_exists(enum bpf_map_type___other, BPF_MAP_TYPE_LRU_HASH___other);
	out->has_no_value = bpf_core_enum_value_exists(enum bpf_map_type___other, BPF_MAP_TYPE_NOBODY_HAS___other);
	// Never reached in a kernel without it.
	if (bpf_core_field_exists(task->nobody_has_this))
		return BPF_CORE_READ(task, nobody_has_this);
	return 0;
}

SEC("syscall")
int ask_in_vain(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, nobody_has_this);
}

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("tc")
int call_kernel(struct __sk_buff *skb)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 7;
}

__u64 entered;
__u64 left_with;

// The kernel calls this function when a tracing program is run for a test.
SEC("fentry/bpf_fentry_test1")
int on_entry(__u64 *ctx)
{
	entered += ctx[0];
	return 0;
}

SEC("fexit/bpf_fentry_test1")
int on_exit(__u64 *ctx)
{
	left_with = ctx[1];
	return 0;
}
