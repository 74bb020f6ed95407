-- Days whose calendar rows changed since the published shifts were last held against them; local.
CREATE TABLE calendar_touch (
    date TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER calendar_touch_school AFTER INSERT ON school_day
BEGIN
    INSERT INTO calendar_touch(date) VALUES (NEW.date) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER calendar_touch_school_changed AFTER UPDATE OF date, kind, at_min ON school_day
BEGIN
    INSERT INTO calendar_touch(date) VALUES (NEW.date) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER calendar_touch_day AFTER INSERT ON cal_day
BEGIN
    INSERT INTO calendar_touch(date) VALUES (NEW.date) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER calendar_touch_day_changed AFTER UPDATE OF date, off ON cal_day
BEGIN
    INSERT INTO calendar_touch(date) VALUES (NEW.date) ON CONFLICT DO NOTHING;
END;
