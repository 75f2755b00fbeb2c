// Static and global functions, in .text and beside the program, and a callback.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

static __noinline int twice(int value)
{
	return bpf_get_prandom_u32() == 0xffffffff && value == 5 ? 1 : value * 2;
}

__noinline int plus_seven(int value)
{
	return twice(value) + 7;
}

struct sum {
	__u64 total;
};

static long add(__u32 index, void *context)
{
	struct sum *sum = context;

	sum->total += index;
	return 0;
}

SEC("tc")
int call_static(struct __sk_buff *skb)
{
	return twice(skb->len);
}

SEC("tc")
int call_global(struct __sk_buff *skb)
{
	return plus_seven(skb->len) + twice(1);
}

SEC("tc")
int call_callback(struct __sk_buff *skb)
{
	struct sum sum = { 0 };

	bpf_loop(skb->len, add, &sum, 0);
	return sum.total;
}
