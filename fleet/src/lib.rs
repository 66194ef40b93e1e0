//! A simulated fleet with ground truth, uploading over HTTP
