-- WITHOUT ROWID is added by hand, as in 0000. A message is two written rows: itself, and the index
-- that finds it by its id. Without a rowid the index holds the primary key, so it needs no other.
CREATE TABLE `conversations` (
	`application_key` text NOT NULL,
	`user_id` text NOT NULL,
	`conversation` text NOT NULL,
	PRIMARY KEY(`application_key`, `user_id`, `conversation`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `deleted_users` (
	`application_key` text NOT NULL,
	`user_id` text NOT NULL,
	`time` integer NOT NULL,
	PRIMARY KEY(`application_key`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `messages` (
	`application_key` text NOT NULL,
	`conversation` text NOT NULL,
	`time` integer NOT NULL,
	`message_id` text NOT NULL,
	`sender` text NOT NULL,
	`recipients` text NOT NULL,
	`text` text NOT NULL,
	`headers` text NOT NULL,
	`states` text NOT NULL,
	PRIMARY KEY(`application_key`, `conversation`, `time`, `message_id`, `sender`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `messages_by_id` ON `messages` (`message_id`,`application_key`,`sender`,`conversation`);--> statement-breakpoint
CREATE TABLE `user_deletions` (
	`application_key` text NOT NULL,
	`user_id` text NOT NULL,
	`time` integer NOT NULL,
	`reached` integer DEFAULT false NOT NULL,
	`position` text NOT NULL,
	`served` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`application_key`, `user_id`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `sweeps` ADD `position` text;--> statement-breakpoint
ALTER TABLE `sweeps` DROP COLUMN `application_key`;--> statement-breakpoint
ALTER TABLE `sweeps` DROP COLUMN `call_id`;