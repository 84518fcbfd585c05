-- WITHOUT ROWID is added by hand (drizzle-kit cannot say it): a row then lives in its primary key,
-- and an insert costs one written row instead of two. A call id is a UUIDv7, so key order is time order.
CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`allow_cross_application` integer DEFAULT false NOT NULL,
	`created` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `application_secrets` (
	`application_key` text NOT NULL,
	`id` text NOT NULL,
	`ciphertext` text NOT NULL,
	`iv` text NOT NULL,
	`created` integer NOT NULL,
	`revoked_at` integer,
	PRIMARY KEY(`application_key`, `id`),
	FOREIGN KEY (`application_key`) REFERENCES `applications`(`key`) ON UPDATE no action ON DELETE cascade
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `applications` (
	`key` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`name` text NOT NULL,
	`created` integer NOT NULL,
	`instances_valid_from` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `call_statistics` (
	`application_key` text NOT NULL,
	`call_id` text NOT NULL,
	`user_id` text NOT NULL,
	`instance_id` text NOT NULL,
	`user_application_key` text NOT NULL,
	`created` integer NOT NULL,
	`mos` real,
	`statistics` text NOT NULL,
	PRIMARY KEY(`application_key`, `call_id`, `user_id`, `instance_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `calls` (
	`application_key` text NOT NULL,
	`call_id` text NOT NULL,
	`caller_user_id` text NOT NULL,
	`callee_application_key` text NOT NULL,
	`callee_user_id` text NOT NULL,
	`video` integer NOT NULL,
	`times` text NOT NULL,
	`end_cause` text NOT NULL,
	`error_code` integer,
	`duration` integer NOT NULL,
	PRIMARY KEY(`application_key`, `call_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `revocations` (
	`application_key` text PRIMARY KEY NOT NULL,
	`after` text NOT NULL,
	`since` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `used_signatures` (
	`application_key` text NOT NULL,
	`signature` text NOT NULL,
	`expires` integer NOT NULL,
	PRIMARY KEY(`application_key`, `signature`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `users` (
	`application_key` text NOT NULL,
	`user_id` text NOT NULL,
	`created` integer NOT NULL,
	`blocked` integer DEFAULT false NOT NULL,
	PRIMARY KEY(`application_key`, `user_id`)
) WITHOUT ROWID;
