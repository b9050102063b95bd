// SPDX-License-Identifier: GPL-2.0-only
/*
 * A HID device and its driver, for programs of HID-BPF (Linux 6.11 on). Whoever
 * reads /proc/kassay_hid has the device send a report, and sees what of it came
 * to the driver.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/hid.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#define VENDOR 0xfff0
#define PRODUCT 0x0001
#define REPORT_LEN 2

/* An application with two bytes of input. */
static const u8 descriptor[] = {
	0x06, 0x00, 0xff,	/* usage page: vendor defined */
	0x09, 0x01,		/* usage */
	0xa1, 0x01,		/* collection: application */
	0x09, 0x01,		/* usage */
	0x15, 0x00,		/* logical minimum: 0 */
	0x26, 0xff, 0x00,	/* logical maximum: 255 */
	0x75, 0x08,		/* report size: 8 bits */
	0x95, REPORT_LEN,	/* report count */
	0x81, 0x02,		/* input: variable */
	0xc0,			/* end of collection */
};

/* Guards what the driver saw. */
static DEFINE_MUTEX(report_lock);
static u8 seen[REPORT_LEN];
static struct hid_device *device;

static int device_start(struct hid_device *hdev)
{
	return 0;
}

static void device_stop(struct hid_device *hdev)
{
}

static int device_open(struct hid_device *hdev)
{
	return 0;
}

static void device_close(struct hid_device *hdev)
{
}

static int device_parse(struct hid_device *hdev)
{
	return hid_parse_report(hdev, descriptor, sizeof(descriptor));
}

/* Nobody can ask it anything. */
static int device_request(struct hid_device *hdev, unsigned char number,
			  __u8 *data, size_t length, unsigned char type,
			  int request)
{
	return -EOPNOTSUPP;
}

static const struct hid_ll_driver transport = {
	.start = device_start,
	.stop = device_stop,
	.open = device_open,
	.close = device_close,
	.parse = device_parse,
	.raw_request = device_request,
};

static int driver_probe(struct hid_device *hdev, const struct hid_device_id *id)
{
	int err = hid_parse(hdev);

	return err ?: hid_hw_start(hdev, HID_CONNECT_DRIVER);
}

/* Whoever sends the report holds the lock. */
static int driver_event(struct hid_device *hdev, struct hid_report *report,
			u8 *data, int size)
{
	memset(seen, 0, sizeof(seen));
	if (size > 0)
		memcpy(seen, data, min_t(size_t, size, sizeof(seen)));
	return 0;
}

static const struct hid_device_id ids[] = {
	{ HID_DEVICE(BUS_VIRTUAL, HID_GROUP_ANY, VENDOR, PRODUCT) },
	{ }
};

static struct hid_driver driver = {
	.name = "kassay_hid",
	.id_table = ids,
	.probe = driver_probe,
	.raw_event = driver_event,
};

static int report_show(struct seq_file *file, void *unused)
{
	u8 report[REPORT_LEN] = { 1, 2 };
	int err;

	mutex_lock(&report_lock);
	err = hid_input_report(device, HID_INPUT_REPORT, report, sizeof(report), 1);
	if (!err)
		seq_printf(file, "%*ph\n", REPORT_LEN, seen);
	mutex_unlock(&report_lock);
	return err;
}

static int __init hid_device_init(void)
{
	int err = hid_register_driver(&driver);

	if (err)
		return err;
	device = hid_allocate_device();
	if (IS_ERR(device)) {
		err = PTR_ERR(device);
		goto unregister;
	}
	device->ll_driver = (struct hid_ll_driver *)&transport;
	device->bus = BUS_VIRTUAL;
	device->vendor = VENDOR;
	device->product = PRODUCT;
	strscpy(device->name, "kassay", sizeof(device->name));
	err = hid_add_device(device);
	if (!err && !proc_create_single("kassay_hid", 0400, NULL, report_show))
		err = -ENOMEM;
	if (!err)
		return 0;
	hid_destroy_device(device);
unregister:
	hid_unregister_driver(&driver);
	return err;
}

static void __exit hid_device_exit(void)
{
	remove_proc_entry("kassay_hid", NULL);
	hid_destroy_device(device);
	hid_unregister_driver(&driver);
}

module_init(hid_device_init);
module_exit(hid_device_exit);

MODULE_DESCRIPTION("A HID device that sends reports when it is asked to");
MODULE_AUTHOR("kassay");
MODULE_LICENSE("GPL");
