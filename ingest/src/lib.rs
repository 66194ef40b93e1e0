//! HTTP intake: authenticate, cap, inflate, identify, make durable, answer
