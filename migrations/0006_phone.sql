-- WITHOUT ROWID is added by hand, as in 0000: what is written is one row, in the order in which it is listed.
CREATE TABLE `ledger` (
	`account_id` text NOT NULL,
	`seq` integer NOT NULL,
	`time` integer NOT NULL,
	`kind` text NOT NULL,
	`amount` integer NOT NULL,
	`balance` integer NOT NULL,
	`key` text NOT NULL,
	`application_key` text,
	`call_id` text,
	`note` text,
	PRIMARY KEY(`account_id`, `seq`),
	CONSTRAINT "ledger_balance" CHECK(balance >= 0)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `ledger_key` ON `ledger` (`account_id`,`key`);--> statement-breakpoint
CREATE TABLE `rates` (
	`prefix` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`per_minute` integer NOT NULL,
	`connect_fee` integer NOT NULL,
	`increment` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `reservations` (
	`application_key` text NOT NULL,
	`call_id` text NOT NULL,
	`account_id` text NOT NULL,
	`rate` text NOT NULL,
	`held` integer NOT NULL,
	`slices` integer NOT NULL,
	`opened` integer NOT NULL,
	`check_at` integer NOT NULL,
	`settled` integer,
	`charged` integer DEFAULT 0 NOT NULL,
	`refunded` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`application_key`, `call_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `reservations_open` ON `reservations` (`check_at`) WHERE settled is null;--> statement-breakpoint
CREATE TABLE `trunks` (
	`application_key` text NOT NULL,
	`id` text NOT NULL,
	`shown` text NOT NULL,
	`ciphertext` text NOT NULL,
	`iv` text NOT NULL,
	`created` integer NOT NULL,
	PRIMARY KEY(`application_key`, `id`),
	FOREIGN KEY (`application_key`) REFERENCES `applications`(`key`) ON UPDATE no action ON DELETE cascade
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `accounts` ADD `show_balance` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `calls` ADD `line` text;--> statement-breakpoint
ALTER TABLE `calls` ADD `cost` integer;