-- How many days the last run of a rule went by: some are settings.
ALTER TABLE retention ADD COLUMN days INTEGER;
