CREATE TABLE `sweeps` (
	`name` text PRIMARY KEY NOT NULL,
	`application_key` text NOT NULL,
	`call_id` text NOT NULL,
	`begun` integer NOT NULL
);
