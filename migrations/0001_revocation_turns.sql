ALTER TABLE `revocations` ADD `failed` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `told` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `served` integer DEFAULT 0 NOT NULL;