-- WITHOUT ROWID is added by hand, as in 0000: what is written is one row, in the order in which it is listed.
CREATE TABLE `push_credentials` (
	`application_key` text NOT NULL,
	`provider` text NOT NULL,
	`scope` text NOT NULL,
	`id` text NOT NULL,
	`shown` text NOT NULL,
	`ciphertext` text NOT NULL,
	`iv` text NOT NULL,
	`created` integer NOT NULL,
	PRIMARY KEY(`application_key`, `provider`, `scope`),
	FOREIGN KEY (`application_key`) REFERENCES `applications`(`key`) ON UPDATE no action ON DELETE cascade
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `push_feedback` (
	`application_key` text NOT NULL,
	`time` integer NOT NULL,
	`id` text NOT NULL,
	`user_id` text NOT NULL,
	`instance_id` text NOT NULL,
	`provider` text NOT NULL,
	`token` text NOT NULL,
	`reason` text NOT NULL,
	PRIMARY KEY(`application_key`, `time`, `id`)
) WITHOUT ROWID;
