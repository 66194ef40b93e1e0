//! ClickHouse inside this process: libchdb opened at run time, behind a loopback HTTP endpoint
