from source_weather_stations.run import run

if __name__ == "__main__":
    run()
