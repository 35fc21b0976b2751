BEGIN TRANSACTION;
CREATE TABLE minute (
  time INTEGER PRIMARY KEY, pv_w REAL, load_w REAL, grid_w REAL, battery_w REAL,
  battery_soc_pct REAL, charger_w REAL, import_price_per_kwh REAL, export_price_per_kwh REAL,
  stored_value_per_kwh REAL) STRICT;
INSERT INTO "minute" VALUES(1780272000,1.0,2.0,3.0,4.0,50.0,NULL,0.14,0.03,NULL);
CREATE TABLE quarter (
  time INTEGER PRIMARY KEY, load_wh REAL, pv_wh REAL, rt_price REAL) STRICT;
INSERT INTO "quarter" VALUES(1780272000,120.5,NULL,31.25);
COMMIT;
