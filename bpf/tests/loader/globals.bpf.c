// Constants that are set before loading, and variables that are read after.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual MIT/GPL";

// Whether the broken branch is in the program: the verifier removes it while this is frozen as false.
const volatile bool is_broken = false;
const volatile __u32 limit = 10;
const volatile __u64 addresses[2] = { 1, 2 };

__u32 start = 40;
__u32 seen;
__u64 total __attribute__((section(".data.totals"))) = 1;

SEC("tc")
int count(struct __sk_buff *skb)
{
	if (is_broken)
		return *(volatile int *)(long)(skb->len);
	seen++;
	total += addresses[1] + skb->len;
	return start + limit + seen;
}
