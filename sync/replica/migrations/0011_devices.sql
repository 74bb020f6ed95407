-- Rules are files now, see config/devices.d.
DROP TABLE mqtt_rule;
