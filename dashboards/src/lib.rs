//! Pages and the JSON API for people
