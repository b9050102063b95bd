// SPDX-License-Identifier: GPL-2.0-only
/* Loads a skeleton, runs its program until it is told to stop, and says so with printf alone. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hello.skel.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = number;
}

static int call(struct hello_bpf *skel, unsigned long long number)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err;

	skel->bss->twice = 0;
	skel->data->number = number;
	err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.call_twice), &opts);
	if (err)
		return err;
	printf("twice %llu is %llu\n", number, (unsigned long long)skel->bss->twice);
	return 0;
}

int main(int argc, char **argv)
{
	struct hello_bpf *skel;
	int err;

	signal(SIGINT, on_signal);
	skel = hello_bpf__open_and_load();
	if (!skel) {
		fprintf(stderr, "%s: cannot load\n", argv[0]);
		return 1;
	}
	err = call(skel, 21);
	printf("pid %d waits\n", getpid());
	while (!err && !stop && argc > 1)
		pause();
	if (stop)
		printf("stopped by signal %d\n", (int)stop);
	hello_bpf__destroy(skel);
	return err ? 2 : 0;
}
