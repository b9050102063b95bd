// SPDX-License-Identifier: GPL-2.0-only
#include <linux/lirc.h>
#include "kassay.bpf.h"

SEC("lirc_mode2")
int hook_lirc(unsigned int *sample)
{
	unsigned int us = LIRC_VALUE(*sample);

	if (LIRC_IS_PULSE(*sample))
		bpf_printk("a pulse of %u us", us);
	else if (LIRC_IS_SPACE(*sample))
		bpf_printk("a space of %u us", us);
	else if (LIRC_IS_TIMEOUT(*sample))
		bpf_printk("silence");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
