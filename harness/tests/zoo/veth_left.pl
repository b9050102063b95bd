# Makes a veth pair, as `ip link add type veth` does: RTM_NEWLINK of rtnetlink(7).
use strict;
use warnings;

socket my $netlink, 16, 3, 0 or die "socket: $!";
my $kind = pack 'SSa4', 8, 1, 'veth';
my $info = pack('SS', 4 + length $kind, 18) . $kind;
my $link = pack('CxSlLL', 0, 0, 0, 0, 0) . $info;
my $head = pack 'LSSLL', 16 + length $link, 16, 0x605, 1, 0;
send $netlink, $head . $link, 0 or die "send: $!";
recv $netlink, my $answer, 4096, 0;
my $error = unpack 'x16l', $answer;
die "RTM_NEWLINK: $error" if $error;
